// Package management is a client of the management plane: it creates, changes,
// deletes, recovers and purges key vaults, says who may do what in them, and
// keeps the resource groups that they belong to.
//
// It speaks the protocol of Azure Resource Manager and nothing besides. With the
// default options it manages vaults of Azure; ClientOptions.Cloud leads it to
// another Resource Manager, such as OpenKeyVault's:
//
//	options := &management.ClientOptions{}
//	options.Cloud = cloud.Configuration{
//		ActiveDirectoryAuthorityHost: "https://login.vault.example.com/",
//		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
//			cloud.ResourceManager: {
//				Endpoint: "https://management.vault.example.com",
//				Audience: "https://management.vault.example.com",
//			},
//		},
//	}
//	client, err := management.NewClient(subscriptionID, cred, options)
//
// The secrets and keys inside a vault are the business of package keyvault.
//
// # Access
//
// A vault decides by access policies, which are part of it, or by role
// assignments, never both. Which of them an absent EnableRBACAuthorization means
// depends on the version of the API, so that [VaultWithPolicies] and
// [VaultWithRoles] always say it. [Client.AddAccessPolicies] and
// [Client.CreateRoleAssignment] grant, in the one and in the other.
//
// # Long operations
//
// Methods return when the work is done: they poll at the pace that the service
// asks for with Retry-After, or that of ClientOptions.PollInterval, until the
// context ends. An operation that has begun goes on without its caller.
//
// # Errors
//
// A refusal is an [*Error] that wraps an *azcore.ResponseError. [IsNotFound],
// [IsConflict] and [IsForbidden] answer the common questions.
package management
