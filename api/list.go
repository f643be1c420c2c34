package api

import "encoding/json"

// List is one page of a list. A page may be empty and still have a successor.
type List[T any] struct {
	Value []T `json:"value"`
	// NextLink is the absolute URL of the next page. On the last page it is
	// nil, which is written as an explicit null.
	NextLink *string `json:"nextLink"`
}

// MarshalJSON writes an empty page as [], never as null.
func (l List[T]) MarshalJSON() ([]byte, error) {
	type plain List[T]
	if l.Value == nil {
		l.Value = []T{}
	}
	return json.Marshal(plain(l))
}

// The lists of the data plane, under the names of the Azure specification.
type (
	SecretListResult        = List[SecretItem]
	DeletedSecretListResult = List[DeletedSecretItem]
	KeyListResult           = List[KeyItem]
	DeletedKeyListResult    = List[DeletedKeyItem]
)

// BackupBlob is the body of a backup's answer and of a restore's request. The
// blob is opaque to clients.
type BackupBlob struct {
	Value Base64URL `json:"value"`
}
