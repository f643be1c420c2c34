package server

// checkOwner has nothing to do: there, what a process makes in a directory
// inherits who may use it.
func checkOwner(string) error { return nil }
