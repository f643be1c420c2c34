"""Prints a key of a vault as a JSON Web Key, with the libraries of 2018.

    pip install azure-keyvault==1.1.0 azure-common msrestazure

AZURE_KEYVAULT_URL is the vault, such as https://NAME.vault.azure.net. The
credential is that of AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
The key is created if the vault does not have it.
"""
import inspect
import json
import os

from azure.common.credentials import ServicePrincipalCredentials
from azure.keyvault import KeyVaultAuthentication, KeyVaultClient
from azure.keyvault.models import KeyVaultErrorException

KEY_NAME = 'example'
KEY_VERSION = ''  # the current one

# The library counts the callback's parameters with a function that Python 3.11
# no longer has.
if not hasattr(inspect, 'getargspec'):
    inspect.getargspec = inspect.getfullargspec

# One credential per resource: a token for one is of no use for another.
credentials = {}


def authenticate(server, resource, scope):
    """Returns a token for the resource that the vault asks for."""
    if resource not in credentials:
        credentials[resource] = ServicePrincipalCredentials(
            client_id=os.environ['AZURE_CLIENT_ID'],
            secret=os.environ['AZURE_CLIENT_SECRET'],
            tenant=os.environ['AZURE_TENANT_ID'],
            resource=resource,
        )
    token = credentials[resource].token
    return token['token_type'], token['access_token']


def main():
    vault_url = os.environ['AZURE_KEYVAULT_URL']
    client = KeyVaultClient(KeyVaultAuthentication(authenticate))
    try:
        key_bundle = client.get_key(vault_url, KEY_NAME, KEY_VERSION)
    except KeyVaultErrorException as refusal:
        if refusal.response.status_code != 404:
            raise
        key_bundle = client.create_key(vault_url, KEY_NAME, 'RSA')
    json_key = key_bundle.key
    print(json.dumps(json_key.serialize(), indent=2))


if __name__ == '__main__':
    main()
