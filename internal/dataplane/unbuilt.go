package dataplane

import (
	"fmt"
	"net/http"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

const codeNotBuilt = "NotImplemented"

// refuseUnbuilt says which operation is missing, so that nobody looks for the
// cause in a path or a permission.
func refuseUnbuilt(x *httpx.Exchange) error {
	return &httpx.Refusal{
		Status: http.StatusNotImplemented, Code: codeNotBuilt,
		Message: fmt.Sprintf("The operation %s (%s %s) of Azure Key Vault is not built in this %s.",
			x.Route.Name, x.Route.Method, x.Route.Pattern, container(x)),
	}
}

// unbuilt are the operations of Azure Key Vault that exist here by name only.
var unbuilt = []struct{ method, pattern, name string }{
	{"GET", "/keys/{name}/{version?}/attestation", "KeyGetAttestation"},
	{"POST", "/keys/{name}/{version?}/securewrapkey", "KeySecureWrap"},
	{"POST", "/keys/{name}/{version?}/secureunwrapkey", "KeySecureUnwrap"},

	{"POST", "/certificates/{name}/create", "CertificateCreate"},
	{"POST", "/certificates/{name}/import", "CertificateImport"},
	{"GET", "/certificates/{name}/{version?}", "CertificateGet"},
	{"PATCH", "/certificates/{name}/{version?}", "CertificateUpdate"},
	{"DELETE", "/certificates/{name}", "CertificateDelete"},
	{"GET", "/certificates", "CertificateList"},
	{"GET", "/certificates/{name}/versions", "CertificateListVersions"},
	{"GET", "/certificates/{name}/policy", "CertificatePolicyGet"},
	{"PATCH", "/certificates/{name}/policy", "CertificatePolicyUpdate"},
	{"GET", "/certificates/{name}/pending", "CertificatePendingGet"},
	{"PATCH", "/certificates/{name}/pending", "CertificatePendingUpdate"},
	{"DELETE", "/certificates/{name}/pending", "CertificatePendingDelete"},
	{"POST", "/certificates/{name}/pending/merge", "CertificatePendingMerge"},
	{"POST", "/certificates/{name}/backup", "CertificateBackup"},
	{"POST", "/certificates/restore", "CertificateRestore"},
	{"GET", "/deletedcertificates", "CertificateListDeleted"},
	{"GET", "/deletedcertificates/{name}", "CertificateGetDeleted"},
	{"DELETE", "/deletedcertificates/{name}", "CertificatePurge"},
	{"POST", "/deletedcertificates/{name}/recover", "CertificateRecover"},
	{"GET", "/certificates/contacts", "CertificateContactsGet"},
	{"PUT", "/certificates/contacts", "CertificateContactsSet"},
	{"DELETE", "/certificates/contacts", "CertificateContactsDelete"},
	{"GET", "/certificates/issuers", "CertificateIssuersList"},
	{"GET", "/certificates/issuers/{issuer}", "CertificateIssuerGet"},
	{"PUT", "/certificates/issuers/{issuer}", "CertificateIssuerSet"},
	{"PATCH", "/certificates/issuers/{issuer}", "CertificateIssuerUpdate"},
	{"DELETE", "/certificates/issuers/{issuer}", "CertificateIssuerDelete"},

	{"GET", "/storage", "StorageAccountList"},
	{"PUT", "/storage/{account}", "StorageAccountSet"},
	{"GET", "/storage/{account}", "StorageAccountGet"},
	{"PATCH", "/storage/{account}", "StorageAccountUpdate"},
	{"DELETE", "/storage/{account}", "StorageAccountDelete"},
	{"POST", "/storage/{account}/regeneratekey", "StorageAccountRegenerateKey"},
	{"POST", "/storage/{account}/backup", "StorageAccountBackup"},
	{"POST", "/storage/restore", "StorageAccountRestore"},
	{"GET", "/storage/{account}/sas", "StorageSasDefinitionList"},
	{"PUT", "/storage/{account}/sas/{definition}", "StorageSasDefinitionSet"},
	{"GET", "/storage/{account}/sas/{definition}", "StorageSasDefinitionGet"},
	{"PATCH", "/storage/{account}/sas/{definition}", "StorageSasDefinitionUpdate"},
	{"DELETE", "/storage/{account}/sas/{definition}", "StorageSasDefinitionDelete"},
	{"GET", "/deletedstorage", "StorageAccountListDeleted"},
	{"GET", "/deletedstorage/{account}", "StorageAccountGetDeleted"},
	{"DELETE", "/deletedstorage/{account}", "StorageAccountPurge"},
	{"POST", "/deletedstorage/{account}/recover", "StorageAccountRecover"},
	{"GET", "/deletedstorage/{account}/sas", "StorageSasDefinitionListDeleted"},
	{"GET", "/deletedstorage/{account}/sas/{definition}", "StorageSasDefinitionGetDeleted"},
	{"POST", "/deletedstorage/{account}/sas/{definition}/recover", "StorageSasDefinitionRecover"},
}
