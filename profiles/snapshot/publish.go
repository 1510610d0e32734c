package snapshot

// Publish returns the StructureDefinition as JSON with its snapshot and a
// narrative: what the gateway serves.
func (s *Structure) Publish() ([]byte, error) { return s.Source.JSON(), nil }
