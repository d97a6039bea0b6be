package people

// SetReached replaces the hook of the crash points.
func (s *Service) SetReached(reached func(point string)) { s.reached = reached }

// Hashed returns how many password hashes the service has computed.
func (s *Service) Hashed() int64 { return s.passwords.hashed.Load() }
