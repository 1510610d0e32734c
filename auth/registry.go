package auth

// A Registry is the list of clients.
type Registry struct{}
