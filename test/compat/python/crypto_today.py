"""Every algorithm of RSA and EC keys: what the service makes the client library
undoes or checks by itself, and the reverse. CryptographyClient.from_jwk asks no
service.

Prints one line for each thing that was seen to be so, and DONE at the end.
"""
import hashlib
import os

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import JsonWebKey, KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CIPHERS = ('RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256')
RSA_SIGNATURES = [SignatureAlgorithm(a) for a in ('RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512')]
CURVES = {curve: SignatureAlgorithm(a) for curve, a in (('P-256', 'ES256'), ('P-384', 'ES384'), ('P-521', 'ES512'), ('P-256K', 'ES256K'))}
OAEP = EncryptionAlgorithm.rsa_oaep

credential = DefaultAzureCredential()
keys = KeyClient(os.environ['AZURE_KEYVAULT_URL'], credential)


def saw(what):
    print('ok', what, flush=True)


def digest_for(algorithm):
    return hashlib.new('sha' + algorithm.value[2:5], b'what is signed').digest()


def remote(key_id):
    """Returns a client that asks the service for everything, as one does whose
    application may not read keys: else it does alone what takes a public key."""
    client = CryptographyClient(key_id, credential)
    client._keys_get_forbidden = True
    return client


def refused(code, call, *args):
    try:
        call(*args)
    except HttpResponseError as e:
        assert e.status_code == {'BadParameter': 400, 'Forbidden': 403}[code], (e.status_code, str(e))
        assert e.error and e.error.code == code, str(e)
        return
    raise AssertionError('not refused')


def integer(n, size=None):
    return n.to_bytes(size or (n.bit_length() + 7) // 8, 'big')


def rsa_jwk(private):
    n = private.private_numbers()
    return JsonWebKey(
        kty='RSA', key_ops=['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
        n=integer(n.public_numbers.n), e=integer(n.public_numbers.e), d=integer(n.d), p=integer(n.p), q=integer(n.q),
        dp=integer(n.dmp1), dq=integer(n.dmq1), qi=integer(n.iqmp))


def ec_jwk(curve):
    private = ec.generate_private_key({'P-256': ec.SECP256R1, 'P-384': ec.SECP384R1, 'P-521': ec.SECP521R1, 'P-256K': ec.SECP256K1}[curve]())
    n, size = private.private_numbers(), (private.key_size + 7) // 8
    return JsonWebKey(
        kty='EC', crv=curve, key_ops=['sign', 'verify'],
        x=integer(n.public_numbers.x, size), y=integer(n.public_numbers.y, size), d=integer(n.private_value, size))


def check_ciphers(asked, local, private=None):
    """private is a local client with the private key, if there is one."""
    secret = os.urandom(32)
    for name in CIPHERS:
        algorithm, wrapping = EncryptionAlgorithm(name), KeyWrapAlgorithm(name)
        for maker in (asked, local):
            encrypted = maker.encrypt(algorithm, secret)
            wrapped = maker.wrap_key(wrapping, secret)
            for undoer in (asked, private) if private else (asked,):
                assert undoer.decrypt(algorithm, encrypted.ciphertext).plaintext == secret, name
                assert undoer.unwrap_key(wrapping, wrapped.encrypted_key).key == secret, name
        if name != 'RSA1_5':
            garbled = bytes([encrypted.ciphertext[0] ^ 1]) + encrypted.ciphertext[1:]
            refused('BadParameter', asked.decrypt, algorithm, garbled)


def check_signatures(asked, local, algorithms, private=None):
    for algorithm in algorithms:
        digest = digest_for(algorithm)
        for maker in (asked, private) if private else (asked,):
            signature = maker.sign(algorithm, digest).signature
            wrong = signature[:-1] + bytes([signature[-1] ^ 1])
            for checker in (asked, local):
                assert checker.verify(algorithm, digest, signature).is_valid is True, algorithm
                assert checker.verify(algorithm, digest, wrong).is_valid is False, algorithm
                assert checker.verify(algorithm, digest[::-1], signature).is_valid is False, algorithm
        refused('BadParameter', asked.sign, algorithm, digest[1:])


for size in (2048, 3072):
    made = keys.create_rsa_key('rsa-%d' % size, size=size)
    asked, local = remote(made.id), CryptographyClient.from_jwk(made.key)
    check_ciphers(asked, local)
    check_signatures(asked, local, RSA_SIGNATURES)
    saw('RSA %d' % size)

for curve, algorithm in CURVES.items():
    made = keys.create_ec_key('ec-' + curve, curve=curve)
    check_signatures(remote(made.id), CryptographyClient.from_jwk(made.key), [algorithm])
    saw('EC ' + curve)

jwk = rsa_jwk(rsa.generate_private_key(65537, 2048))
private = CryptographyClient.from_jwk(jwk)
imported = keys.import_key('imported-rsa', jwk)
asked, local = remote(imported.id), CryptographyClient.from_jwk(imported.key)
check_ciphers(asked, local, private)
check_signatures(asked, local, RSA_SIGNATURES, private)
for curve, algorithm in CURVES.items():
    jwk = ec_jwk(curve)
    imported = keys.import_key('imported-' + curve, jwk)
    check_signatures(remote(imported.id), CryptographyClient.from_jwk(imported.key), [algorithm], CryptographyClient.from_jwk(jwk))
saw('imported keys')

# A client that may read the key does what it can by itself.
usual = keys.get_cryptography_client('rsa-2048')
pss = SignatureAlgorithm.ps256
signed = usual.sign(pss, digest_for(pss))
assert signed.key_id == keys.get_key('rsa-2048').id, signed.key_id
assert usual.verify(pss, digest_for(pss), signed.signature).is_valid
assert usual.decrypt(OAEP, usual.encrypt(OAEP, b'x').ciphertext).plaintext == b'x'
p256, rsa2048 = remote(keys.get_key('ec-P-256').id), remote(keys.get_key('rsa-2048').id)
refused('BadParameter', p256.sign, SignatureAlgorithm.es384, digest_for(SignatureAlgorithm.es384))
refused('Forbidden', p256.encrypt, OAEP, b'x')
refused('BadParameter', rsa2048.encrypt, OAEP, b'x' * 256)
saw('refusals')
print('DONE')
