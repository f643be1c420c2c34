"""Secrets, keys, vaults and deleted vaults through the libraries of 2017 and 2018.

Prints one line for each thing that was seen to be so, and DONE at the end.
"""
import inspect
import os

from azure.common.credentials import ServicePrincipalCredentials
from azure.keyvault import KeyVaultAuthentication, KeyVaultClient
from azure.keyvault.models import KeyVaultErrorException
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource import ResourceManagementClient

TENANT = os.environ['AZURE_TENANT_ID']
SUBSCRIPTION = os.environ['AZURE_SUBSCRIPTION_ID']
NAME = os.environ['FLOW_VAULT']
GROUP = NAME + '-group'
VAULT = 'https://%s.vault.azure.net' % NAME

# The library counts the callback's parameters with a function that Python 3.11
# no longer has.
if not hasattr(inspect, 'getargspec'):
    inspect.getargspec = inspect.getfullargspec


def service_principal(**more):
    return ServicePrincipalCredentials(
        client_id=os.environ['AZURE_CLIENT_ID'], secret=os.environ['AZURE_CLIENT_SECRET'], tenant=TENANT, **more)


def authenticate(server, resource, scope):
    assert server.startswith('https://login.'), server
    assert resource == 'https://vault.azure.net', resource
    token = service_principal(resource=resource).token
    return token['token_type'], token['access_token']


def saw(what):
    print('ok', what, flush=True)


management = service_principal()
ResourceManagementClient(management, SUBSCRIPTION).resource_groups.create_or_update(GROUP, {'location': 'eastus'})
saw('group')
vaults = KeyVaultManagementClient(management, SUBSCRIPTION).vaults
created = vaults.create_or_update(GROUP, NAME, {
    'location': 'eastus',
    'properties': {
        'sku': {'name': 'standard'},
        'tenant_id': TENANT,
        'access_policies': [{
            'tenant_id': TENANT,
            'object_id': os.environ['AZURE_CLIENT_OID'],
            'permissions': {'keys': ['all'], 'secrets': ['all']},
        }],
    },
})
if hasattr(created, 'result'):
    created = created.result()
assert created.properties.vault_uri.rstrip('/') == VAULT, created.properties.vault_uri
assert NAME in [v.name for v in vaults.list()]
assert NAME in [v.name for v in vaults.list_by_resource_group(GROUP)]
assert vaults.get(GROUP, NAME).properties.access_policies[0].permissions.keys == ['all']
saw('vault')

client = KeyVaultClient(KeyVaultAuthentication(authenticate))
key = client.create_key(VAULT, 'signer', 'RSA', key_size=2048)
again = client.get_key(VAULT, 'signer', '')
assert again.key.kid == key.key.kid and again.key.n == key.key.n and len(again.key.n) == 256
curve = client.create_key(VAULT, 'curve', 'EC', curve='SECP256K1' if client.api_version == '2016-10-01' else 'P-256K')
assert len(curve.key.x) == 32
assert sorted(k.kid.rsplit('/', 1)[1] for k in client.get_keys(VAULT)) == ['curve', 'signer']
saw('keys')

client.set_secret(VAULT, 'Password', 'first', tags={'team': 'blue'})
second = client.set_secret(VAULT, 'password', 's\u00e9cond')
assert client.get_secret(VAULT, 'PASSWORD', '').value == 's\u00e9cond'
assert len(list(client.get_secret_versions(VAULT, 'password'))) == 2
client.update_secret(VAULT, 'password', second.id.rsplit('/', 1)[1], content_type='text/plain')
for i in range(30):
    client.set_secret(VAULT, 'n%02d' % i, str(i))
assert len(list(client.get_secrets(VAULT, maxresults=7))) == 31
saw('secrets')

try:
    client.get_secret(VAULT, 'absent', '')
    raise SystemExit('an absent secret was answered')
except KeyVaultErrorException as e:
    assert e.response.status_code == 404 and e.message.startswith('(SecretNotFound)'), e.message
saw('refusal')

assert client.delete_secret(VAULT, 'password').recovery_id.endswith('/deletedsecrets/Password')
assert [s.id.rsplit('/', 1)[1] for s in client.get_deleted_secrets(VAULT)] == ['Password']
client.recover_deleted_secret(VAULT, 'password')
assert client.get_secret(VAULT, 'password', '').value == 's\u00e9cond'
saw('recovery')

vaults.delete(GROUP, NAME)
assert NAME not in [v.name for v in vaults.list()]
print('DONE')
