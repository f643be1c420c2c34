package keyvault_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"time"

	"github.com/openkeyvault/openkeyvault/api"
	"github.com/openkeyvault/openkeyvault/keyvault"
)

// A certificate authority whose private key is in the vault, and nowhere else.
func ExampleNewSigner() {
	ctx := context.Background()
	client, err := keyvault.NewClient(vaultURL, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := keyvault.NewSigner(ctx, client, "ca", "")
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Contoso Root"},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		log.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(root.Subject, root.SignatureAlgorithm)

	// A server of TLS with the same key.
	_ = tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: signer}}}
	// Output:
	// CN=Contoso Root ECDSA-SHA256
}

// What the vault has signed is verified with the public key alone.
func ExamplePublicKey() {
	ctx := context.Background()
	client, err := keyvault.NewClient(vaultURL, cred, options)
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256([]byte("release 1.0"))
	signed, err := client.Sign(ctx, "ca", "", api.KeySignParameters{Algorithm: api.AlgorithmES256, Value: digest[:]})
	if err != nil {
		log.Fatal(err)
	}
	bundle, err := client.GetKey(ctx, "ca", "")
	if err != nil {
		log.Fatal(err)
	}
	public, err := keyvault.PublicKey(bundle.Key)
	if err != nil {
		log.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(signed.Value[:32]), new(big.Int).SetBytes(signed.Value[32:])
	fmt.Println(ecdsa.Verify(public.(*ecdsa.PublicKey), digest[:], r, s))
	// Output:
	// true
}

// toyKey is the key named ca of the toyVault.
var toyKey, toyKeyError = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)

func serveToyKey(w http.ResponseWriter, r *http.Request, kid string) {
	if toyKeyError != nil {
		panic(toyKeyError)
	}
	var answer any
	if r.Method == http.MethodGet {
		point, err := toyKey.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		answer = api.KeyBundle{Key: &api.JSONWebKey{KID: kid, Kty: api.KeyTypeEC, Crv: api.CurveP256, X: point[1:33], Y: point[33:]}}
	} else {
		var asked api.KeySignParameters
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			panic(err)
		}
		x, y, err := ecdsa.Sign(rand.Reader, toyKey, asked.Value)
		if err != nil {
			panic(err)
		}
		signature := make([]byte, 64)
		x.FillBytes(signature[:32])
		y.FillBytes(signature[32:])
		answer = api.KeyOperationResult{KID: kid, Value: signature}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}
