"""Creates a vault, a key and a secret with today's libraries.

    pip install azure-identity azure-keyvault-keys azure-keyvault-secrets \
        azure-mgmt-keyvault azure-mgmt-resource

DefaultAzureCredential finds the credential: AZURE_TENANT_ID, AZURE_CLIENT_ID and
AZURE_CLIENT_SECRET, a managed identity, or that of az login. It manages
AZURE_SUBSCRIPTION_ID. AZURE_CLIENT_OID is the object id that may use the vault.
"""
import os

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

TENANT_ID = os.environ['AZURE_TENANT_ID']
SUBSCRIPTION_ID = os.environ['AZURE_SUBSCRIPTION_ID']
OBJECT_ID = os.environ['AZURE_CLIENT_OID']
GROUP_NAME = 'today-group'
# Names of vaults are unique in all of Azure.
VAULT_NAME = os.environ.get('AZURE_KEYVAULT_NAME', 'today-' + SUBSCRIPTION_ID[:8])


def create_vault(credential):
    """Returns the URL of a vault in which OBJECT_ID may create and read."""
    groups = ResourceManagementClient(credential, SUBSCRIPTION_ID).resource_groups
    groups.create_or_update(GROUP_NAME, {'location': 'eastus'})
    vaults = KeyVaultManagementClient(credential, SUBSCRIPTION_ID).vaults
    vault = vaults.begin_create_or_update(GROUP_NAME, VAULT_NAME, {
        'location': 'eastus',
        'properties': {
            'sku': {'family': 'A', 'name': 'standard'},
            'tenantId': TENANT_ID,
            # Without it, new versions of the API choose roles and ignore the
            # access policies.
            'enableRbacAuthorization': False,
            'accessPolicies': [{
                'tenantId': TENANT_ID,
                'objectId': OBJECT_ID,
                'permissions': {'keys': ['create', 'get'], 'secrets': ['set', 'get']},
            }],
        },
    }).result()
    return vault.properties.vault_uri


def main():
    credential = DefaultAzureCredential()
    vault_url = create_vault(credential)
    print('vault: ', vault_url)

    key = KeyClient(vault_url, credential).create_rsa_key('signing', size=2048)
    print('key:   ', key.id, key.key_type, list(key.key_operations))

    secrets = SecretClient(vault_url, credential)
    secrets.set_secret('database-password', 'correct horse battery staple')
    print('secret:', secrets.get_secret('database-password').value)

    try:
        secrets.begin_delete_secret('database-password')
    except HttpResponseError as refusal:
        print('refused:', refusal.status_code, refusal.message)
    else:
        raise SystemExit('deleting the secret was not refused as it should be')


if __name__ == '__main__':
    main()
