// Package api holds the wire types of the Key Vault data plane: the JSON
// documents, error codes and API versions that a vault and its clients
// exchange. The server and the client library share them, so that neither can
// drift from the other.
//
// The types say what may stand on the wire, not what is valid: limits, defaults
// and permissions are the service's. They have no behaviour beyond their JSON
// encoding, except that the types that can carry a secret value or a private
// key refuse to show it when they are formatted or logged. json.Marshal does
// show it, because that is the wire.
//
// Optional members are pointers, or maps and slices whose nil differs from
// empty: nil is left out of the JSON, and an absent member decodes to nil. The
// members are declared in the order in which the Azure service writes them.
package api
