DELETE FROM factory.voices WHERE provider = $1::text AND voice = $2::text RETURNING provider
