package works

// New makes a Service.
func New(c Config) *Service {
	s := &Service{Config: c}
	s.Progress = newProgress(c.DB, s.view, s.viewOf, c.Log)
	return s
}
