"""Creates a vault and authorises an application, with the libraries of 2018.

    pip install azure-mgmt-keyvault==1.1.0 azure-mgmt-resource==2.1.0 azure-common msrestazure

The credential is that of AZURE_TENANT_ID, AZURE_CLIENT_ID and
AZURE_CLIENT_SECRET, and manages AZURE_SUBSCRIPTION_ID. AZURE_CLIENT_OID is the
object id of the user or application that may use the vault; the portal shows
it.
"""
import os

from azure.common.credentials import ServicePrincipalCredentials
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource import ResourceManagementClient

TENANT_ID = os.environ['AZURE_TENANT_ID']
SUBSCRIPTION_ID = os.environ['AZURE_SUBSCRIPTION_ID']
OBJECT_ID = os.environ['AZURE_CLIENT_OID']
GROUP_NAME = 'example-group'
# Names of vaults are unique in all of Azure.
KV_NAME = os.environ.get('AZURE_KEYVAULT_NAME', 'example-' + SUBSCRIPTION_ID[:8])


def main():
    credentials = ServicePrincipalCredentials(
        client_id=os.environ['AZURE_CLIENT_ID'],
        secret=os.environ['AZURE_CLIENT_SECRET'],
        tenant=TENANT_ID,
    )
    groups = ResourceManagementClient(credentials, SUBSCRIPTION_ID).resource_groups
    groups.create_or_update(GROUP_NAME, {'location': 'eastus'})

    kv_client = KeyVaultManagementClient(credentials, SUBSCRIPTION_ID)
    vault = kv_client.vaults.create_or_update(
        GROUP_NAME,
        KV_NAME,
        {
            'location': 'eastus',
            'properties': {
                'sku': {
                    'name': 'standard',
                },
                'tenant_id': TENANT_ID,
                'access_policies': [{
                    'tenant_id': TENANT_ID,
                    'object_id': OBJECT_ID,
                    'permissions': {
                        'keys': ['all'],
                        'secrets': ['all'],
                    },
                }],
            },
        },
    )
    # From version 1.1 of the library on, the answer is an operation to wait for.
    if hasattr(vault, 'result'):
        vault = vault.result()
    print(vault.properties.vault_uri)


if __name__ == '__main__':
    main()
