"""A secret and a key in a vault that is reached by its own name, without a proxy
and with every check of the clients on: only the resolution of the name is ours.
"""
import os
import socket

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient

PORT = os.environ['OKV_PORT']
resolve = socket.getaddrinfo


def to_loopback(host, *args, **kwargs):
    return resolve('127.0.0.1' if host.endswith('localhost') else host, *args, **kwargs)


socket.getaddrinfo = to_loopback

credential = ClientSecretCredential(
    os.environ['AZURE_TENANT_ID'], os.environ['AZURE_CLIENT_ID'], os.environ['AZURE_CLIENT_SECRET'],
    authority='https://localhost:' + PORT, disable_instance_discovery=True)
url = 'https://dev.vault.localhost:' + PORT
secrets = SecretClient(url, credential)
secrets.set_secret('by-name', 'python')
got = secrets.get_secret('by-name')
assert got.value == 'python' and got.id.startswith(url + '/secrets/by-name/'), got.id
assert [s.name for s in secrets.list_properties_of_secrets(max_page_size=1)].count('by-name') == 1
key = KeyClient(url, credential).create_ec_key('by-name')
assert key.id.startswith(url + '/keys/by-name/'), key.id
wrong = ClientSecretCredential(
    os.environ['AZURE_TENANT_ID'], os.environ['AZURE_CLIENT_ID'], 'wrong',
    authority='https://localhost:' + PORT, disable_instance_discovery=True)
try:
    SecretClient(url, wrong).get_secret('by-name')
    raise AssertionError('a wrong secret was taken')
except HttpResponseError as e:
    assert 'AADSTS7000215' in str(e), e
print('DONE')
