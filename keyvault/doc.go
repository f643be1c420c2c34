// Package keyvault is a client of a key vault's data plane: it creates, reads,
// changes, deletes, recovers and purges secrets and keys, and uses keys that never
// leave the vault.
//
// It speaks the protocol of Azure Key Vault and nothing besides, so that one
// program works against a vault of Azure and one of OpenKeyVault. Vaults
// themselves are made and authorised with package management.
//
//	cred, err := azidentity.NewDefaultAzureCredential(nil)
//	...
//	client, err := keyvault.NewClient("https://contoso.vault.azure.net", cred, nil)
//	...
//	key, err := client.GetKey(ctx, "signing", "")
//
// # Authentication
//
// A [Client] asks the vault where its tokens are issued: the first request goes
// out without token and without body, and the vault's answer, the challenge,
// names the authority and the resource. The client believes a challenge only if
// the vault's host lies below the resource's, so that a server that a program
// was led to by mistake cannot ask for tokens that other services accept. A
// token travels over TLS only, to the vault's own host only, and redirects are
// not followed.
//
// Any azcore.TokenCredential will do. Programs in which a function obtains the
// token, as the client libraries of 2018 wanted it, wrap it with
// [CallbackCredential].
//
// # Keys that stay in the vault
//
// [Client.Sign], [Client.Decrypt] and their like are the vault's own operations,
// with its own names of algorithms. A [Signer] and a [Decrypter] put a key of the
// vault where Go's packages take a private key: crypto/x509 signs certificates with
// it, and a server of crypto/tls needs no other. [PublicKey] returns what is public
// of a key, with which a program encrypts and verifies without asking the vault.
//
// # Errors
//
// A refusal of the vault is an [*Error] that wraps an *azcore.ResponseError.
// [IsNotFound], [IsForbidden] and their like answer the common questions.
//
// # Versions
//
// Methods that take a version id use the current version if it is empty. Ids in
// answers are URLs, which [ParseID] takes apart.
package keyvault
