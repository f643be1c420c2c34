// Package arm holds the wire types of the management plane: what Azure Resource
// Manager and its clients exchange about vaults, resource groups, subscriptions,
// providers and role assignments. The server and the client library share them.
//
// The types say what may stand on the wire, not what is valid, and have no
// behaviour beyond their JSON encoding. Optional members are pointers, or maps
// and slices whose nil differs from empty: nil is left out of the JSON, and an
// absent member decodes to nil.
package arm
