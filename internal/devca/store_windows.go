package devca

import (
	"bytes"
	"syscall"
	"unsafe"
)

// storeRoots returns the roots of the user's certificate store, which includes
// the machine's. Windows fetches some roots only when they are first needed;
// those are missing.
func storeRoots() [][]byte {
	name, err := syscall.UTF16PtrFromString("ROOT")
	if err != nil {
		return nil
	}
	store, err := syscall.CertOpenSystemStore(0, name)
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.CertCloseStore(store, 0) }()
	var roots [][]byte
	var cert *syscall.CertContext
	for len(roots) < maxCertificate {
		// Each call frees the context of the one before.
		if cert, err = syscall.CertEnumCertificatesInStore(store, cert); err != nil || cert == nil {
			return roots
		}
		roots = append(roots, bytes.Clone(unsafe.Slice(cert.EncodedCert, cert.Length)))
	}
	_ = syscall.CertFreeCertificateContext(cert)
	return roots
}
