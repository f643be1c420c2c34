package api

// BackupResult is the answer to a backup: an object with all its versions,
// sealed. Only a service of the same installation can open it.
type BackupResult struct {
	Value Base64URL `json:"value"`
}

// RestoreParameters is the body of a restore.
type RestoreParameters struct {
	// Value is that of a BackupResult.
	Value Base64URL `json:"value"`
}
