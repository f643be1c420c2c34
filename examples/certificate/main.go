// Certificate makes a certificate authority whose private key never leaves the
// vault, and prints its certificate in PEM:
//
//	certificate https://NAME.vault.azure.net KEY
//
// It creates the key if there is none. A server of crypto/tls takes the same
// signer for its private key.
package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: certificate VAULT_URL KEY")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, vaultURL, name string) error {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	client, err := keyvault.NewClient(vaultURL, cred, nil)
	if err != nil {
		return err
	}
	signer, err := keyvault.NewSigner(ctx, client, name, "")
	if keyvault.IsNotFound(err) {
		if _, err := client.CreateKey(ctx, name, api.KeyCreateParameters{Kty: api.KeyTypeEC, Crv: api.CurveP384}); err != nil {
			return err
		}
		signer, err = keyvault.NewSigner(ctx, client, name, "")
	}
	if err != nil {
		return err
	}
	log.Printf("signing with %s", signer.KeyID())
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "Contoso Root"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return err
	}
	return pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: der})
}
