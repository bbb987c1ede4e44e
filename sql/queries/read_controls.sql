SELECT paused FROM factory.controls
