// fhirclient (SMART on FHIR) against a gateway.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fhirclient from 'fhirclient';
import { nhsNumber, startGateway } from './gateway.mjs';

let gateway, client;

before(async () => {
  gateway = await startGateway();
  const { token } = await gateway.client('practice', 'gp-practice', 'Y99001');
  // Outside a browser the library wants a request and a response to find its
  // state by; a client that has its token needs neither.
  const api = fhirclient({ url: '/', headers: { host: 'localhost' } }, {}, {});
  client = api.client({ serverUrl: `${gateway.url}/fhir`, tokenResponse: { access_token: token, token_type: 'Bearer' } });
});
after(() => gateway?.stop());

const patient = (n) => ({
  resourceType: 'Patient', identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: nhsNumber(n) }], name: [{ family: 'Smartclient', given: ['Test'] }], gender: 'female',
});

test('create, update, patch and read', async () => {
  const made = await client.create(patient(300));
  assert.ok(made.id);
  const updated = await client.update({ ...made, gender: 'male' });
  assert.equal(updated.meta.versionId, '2');
  const patched = await client.patch(`Patient/${made.id}`, [{ op: 'replace', path: '/gender', value: 'other' }]);
  assert.equal(patched.gender, 'other');
  assert.deepEqual(await client.request(`Patient/${made.id}`), patched);
});

test('search, all its pages', async () => {
  const ids = [];
  for (let n = 310; n < 317; n++) ids.push((await client.create(patient(n))).id);
  const seen = [];
  let url = 'Patient?family=Smartclient&_count=3';
  while (url) {
    const page = await client.request(url);
    seen.push(...(page.entry ?? []).map((e) => e.resource.id));
    url = page.link.find((l) => l.relation === 'next')?.url;
  }
  for (const id of ids) assert.equal(seen.filter((s) => s === id).length, 1);
});

test('an error is an OperationOutcome', async () => {
  await assert.rejects(client.request('Patient/absent'), (e) => e.status === 404 || e.statusCode === 404);
});
