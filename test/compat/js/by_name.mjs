// A secret and a key in a vault that is reached by its own name, without a proxy
// and with every check of the clients on: only the resolution of the name is ours.
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { ClientSecretCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { KeyClient } from '@azure/keyvault-keys'

const lookup = dns.lookup
dns.lookup = (host, options, done) => lookup(host.endsWith('localhost') ? '127.0.0.1' : host, options, done)

const { OKV_PORT: port, AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_CLIENT_SECRET: secret } = process.env
const options = { authorityHost: `https://localhost:${port}`, disableInstanceDiscovery: true }
const credential = new ClientSecretCredential(tenant, client, secret, options)
const url = `https://dev.vault.localhost:${port}`
const secrets = new SecretClient(url, credential)
await secrets.setSecret('by-name-js', 'node')
const got = await secrets.getSecret('by-name-js')
assert.equal(got.value, 'node')
assert.ok(got.properties.id.startsWith(url + '/secrets/by-name-js/'), got.properties.id)
const names = []
for await (const page of secrets.listPropertiesOfSecrets().byPage({ maxPageSize: 1 })) names.push(...page.map(s => s.name))
assert.ok(names.includes('by-name-js'))
const key = await new KeyClient(url, credential).createEcKey('by-name-js')
assert.ok(key.id.startsWith(url + '/keys/by-name-js/'), key.id)
await assert.rejects(new SecretClient(url, new ClientSecretCredential(tenant, client, 'wrong', options)).getSecret('by-name-js'), /AADSTS7000215/)
console.log('DONE')
