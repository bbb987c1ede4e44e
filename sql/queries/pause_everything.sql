UPDATE factory.controls SET paused = $1::boolean
