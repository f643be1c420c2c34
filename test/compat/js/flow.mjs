// Two vaults with secrets and keys; delete, list deleted, recover and purge of
// each kind; backup and restore; the group deleted at the end: through today's
// clients for JavaScript.
//
// Prints one line for each thing that was seen to be so, and DONE at the end.
import assert from 'node:assert/strict'
import { DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { KeyVaultManagementClient } from '@azure/arm-keyvault'
import { ResourceManagementClient } from '@azure/arm-resources'

const { AZURE_TENANT_ID: tenantId, AZURE_SUBSCRIPTION_ID: subscription, AZURE_CLIENT_OID: objectId } = process.env
const group = 'js-group'
const [first, second] = ['js-one', 'js-two']
const location = 'westeurope'

const saw = what => console.log('ok', what)

async function all (pages) {
  const items = []
  for await (const item of pages) items.push(item)
  return items
}

async function names (pages) {
  return (await all(pages)).map(item => item.name)
}

function refused (status, code, promise) {
  return assert.rejects(promise, e => {
    assert.equal(e.statusCode, status, e.message)
    assert.equal(e.code, code, e.message)
    return true
  })
}

const credential = new DefaultAzureCredential()
const resources = new ResourceManagementClient(credential, subscription)
await resources.resourceGroups.createOrUpdate(group, { location })
const management = new KeyVaultManagementClient(credential, subscription)
const permissions = { keys: ['all', 'purge'], secrets: ['all', 'purge'], certificates: ['all'] }
for (const name of [first, second]) {
  const made = await management.vaults.createOrUpdate(group, name, {
    location,
    properties: {
      tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: false,
      accessPolicies: [{ tenantId, objectId, permissions }]
    }
  })
  assert.equal(made.properties.vaultUri, `https://${name}.vault.azure.net/`)
}
assert.deepEqual((await names(management.vaults.listByResourceGroup(group))).sort(), [first, second])
saw('two vaults')

for (const name of [first, second]) {
  const url = `https://${name}.vault.azure.net`
  const secrets = new SecretClient(url, credential)
  const keys = new KeyClient(url, credential)
  await secrets.setSecret('database', 'hunter2 in ' + name, { contentType: 'text/plain', tags: { a: 'b' } })
  const got = await secrets.getSecret('database')
  assert.equal(got.value, 'hunter2 in ' + name)
  assert.deepEqual(got.properties.tags, { a: 'b' })
  await secrets.updateSecretProperties('database', got.properties.version, { enabled: false })
  await refused(403, 'Forbidden', secrets.getSecret('database'))
  await secrets.updateSecretProperties('database', got.properties.version, { enabled: true })
  for (let i = 0; i < 27; i++) await secrets.setSecret('many-' + i, 'x')
  assert.equal((await all(secrets.listPropertiesOfSecrets())).length, 28)
  saw('secrets of ' + name)

  const rsa = await keys.createRsaKey('rsa', { keySize: 3072 })
  assert.equal(rsa.key.n.length, 384)
  for (const curve of ['P-256', 'P-384', 'P-521', 'P-256K']) {
    assert.equal((await keys.createEcKey('ec-' + curve, { curve })).key.crv, curve)
  }
  const crypto = new CryptographyClient(rsa, credential)
  const digest = Uint8Array.from({ length: 32 }, (_, i) => i)
  const closed = await crypto.encrypt({ algorithm: 'RSA-OAEP-256', plaintext: digest })
  assert.deepEqual(Uint8Array.from((await crypto.decrypt({ algorithm: 'RSA-OAEP-256', ciphertext: closed.result })).result), digest)
  const wrapped = await crypto.wrapKey('RSA-OAEP', digest)
  assert.deepEqual(Uint8Array.from((await crypto.unwrapKey('RSA-OAEP', wrapped.result)).result), digest)
  const signature = await crypto.sign('PS256', digest)
  assert.ok((await crypto.verify('PS256', digest, signature.result)).result)
  assert.equal(signature.keyID, rsa.id)
  await keys.createRsaKey('rsa', { keySize: 2048 })
  assert.equal((await all(keys.listPropertiesOfKeyVersions('rsa'))).length, 2)
  assert.equal((await all(keys.listPropertiesOfKeys())).length, 5)
  saw('keys of ' + name)

  const deleted = await (await secrets.beginDeleteSecret('database', { intervalInMs: 50 })).pollUntilDone()
  assert.ok(deleted.scheduledPurgeDate && deleted.recoveryId)
  await refused(404, 'SecretNotFound', secrets.getSecret('database'))
  await refused(409, 'Conflict', secrets.setSecret('database', 'again'))
  assert.deepEqual(await names(secrets.listDeletedSecrets()), ['database'])
  await (await secrets.beginRecoverDeletedSecret('database', { intervalInMs: 50 })).pollUntilDone()
  const backup = await secrets.backupSecret('database')
  await refused(409, 'Conflict', secrets.restoreSecretBackup(backup))
  await (await secrets.beginDeleteSecret('database', { intervalInMs: 50 })).pollUntilDone()
  await secrets.purgeDeletedSecret('database')
  assert.deepEqual(await all(secrets.listDeletedSecrets()), [])
  await secrets.restoreSecretBackup(backup)
  assert.equal((await secrets.getSecret('database')).value, 'hunter2 in ' + name)
  saw('life of a secret of ' + name)

  await (await keys.beginDeleteKey('rsa', { intervalInMs: 50 })).pollUntilDone()
  assert.deepEqual(await names(keys.listDeletedKeys()), ['rsa'])
  await (await keys.beginRecoverDeletedKey('rsa', { intervalInMs: 50 })).pollUntilDone()
  const keyBackup = await keys.backupKey('rsa')
  await (await keys.beginDeleteKey('rsa', { intervalInMs: 50 })).pollUntilDone()
  await keys.purgeDeletedKey('rsa')
  assert.equal((await keys.restoreKeyBackup(keyBackup)).key.n.length, 256)
  assert.equal((await all(keys.listPropertiesOfKeyVersions('rsa'))).length, 2)
  saw('life of a key of ' + name)
}

await management.vaults.delete(group, first)
assert.ok((await names(management.vaults.listDeleted())).includes(first))
await management.vaults.createOrUpdate(group, first, {
  location, properties: { createMode: 'recover', tenantId, sku: { family: 'A', name: 'standard' } }
})
assert.equal((await all(new SecretClient(`https://${first}.vault.azure.net`, credential).listPropertiesOfSecrets())).length, 28)
saw('recovered vault')
await management.vaults.delete(group, second)
await management.vaults.purgeDeleted(second, location)
assert.ok(!(await names(management.vaults.listDeleted())).includes(second))
saw('purged vault')
await resources.resourceGroups.delete(group)
assert.equal((await resources.resourceGroups.checkExistence(group)).body, false)
assert.ok((await names(management.vaults.listDeleted())).includes(first))
saw('deleted group')
console.log('DONE')
