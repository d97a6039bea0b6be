module timbre.example/client

go 1.24.0
