// @medplum/core against a gateway.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MedplumClient } from '@medplum/core';
import { nhsNumber, startGateway } from './gateway.mjs';

let gateway, client;

before(async () => {
  gateway = await startGateway();
  const { token } = await gateway.client('practice', 'gp-practice', 'Y99001');
  client = new MedplumClient({ baseUrl: gateway.url, fhirUrlPath: 'fhir', tokenUrl: 'oauth2/token', accessToken: token, cacheTime: 0 });
});
after(() => gateway?.stop());

const system = 'https://fhir.nhs.uk/Id/nhs-number';
const patient = (n, family = 'Medplumclient') => ({
  resourceType: 'Patient', identifier: [{ system, value: nhsNumber(n) }], name: [{ family, given: ['Test'] }], gender: 'female',
});
const code = (wanted) => (e) => e.outcome?.issue?.[0]?.code === wanted;

test('create, read, history, patch', async () => {
  const made = await client.createResource(patient(400));
  assert.deepEqual(await client.readResource('Patient', made.id), made);
  const patched = await client.patchResource('Patient', made.id, [{ op: 'replace', path: '/gender', value: 'other' }]);
  assert.equal(patched.gender, 'other');
  const history = await client.readHistory('Patient', made.id);
  assert.deepEqual(history.entry.map((e) => e.resource.meta.versionId), ['2', '1']);
  assert.equal((await client.readVersion('Patient', made.id, '1')).gender, 'female');
});

test('create unless it exists', async () => {
  const body = patient(401);
  const criteria = `identifier=${system}|${body.identifier[0].value}`;
  const first = await client.createResourceIfNoneExist(body, criteria);
  const again = await client.createResourceIfNoneExist(body, criteria);
  assert.equal(again.id, first.id);
});

test('upsert by criteria', async () => {
  const body = patient(402);
  const criteria = `Patient?identifier=${system}|${body.identifier[0].value}`;
  const first = await client.upsertResource(body, criteria.split('?')[1]);
  const second = await client.upsertResource({ ...body, gender: 'male' }, criteria.split('?')[1]);
  assert.equal(second.id, first.id);
  assert.equal(second.gender, 'male');
});

test('search pages', async () => {
  for (let n = 410; n < 416; n++) await client.createResource(patient(n, 'Medplumpages'));
  const seen = new Set();
  for await (const page of client.searchResourcePages('Patient', { family: 'Medplumpages', _count: '2' })) {
    for (const r of page) {
      assert.ok(!seen.has(r.id), 'a page repeats a resource');
      seen.add(r.id);
    }
  }
  assert.equal(seen.size, 6);
});

test('batch', async () => {
  const made = await client.createResource(patient(420));
  const answer = await client.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [
    { request: { method: 'GET', url: `Patient/${made.id}` } },
    { request: { method: 'GET', url: 'Patient?family=Medplumclient&_summary=count' } },
  ] });
  assert.deepEqual(answer.entry.map((e) => e.response.status.slice(0, 3)), ['200', '200']);
  assert.equal(answer.entry[1].resource.resourceType, 'Bundle');
});

test('validate, everything', async () => {
  const ok = await client.validateResource(patient(430));
  assert.equal(ok.resourceType, 'OperationOutcome');
  assert.ok(!ok.issue.some((i) => i.severity === 'error'));
  const bad = await client.validateResource({ ...patient(431), gender: 'no such code' });
  assert.ok(bad.issue.some((i) => i.severity === 'error' && i.expression?.[0] === 'Patient.gender'));
  const made = await client.createResource(patient(432));
  const everything = await client.readPatientEverything(made.id);
  assert.deepEqual(everything.entry.map((e) => e.resource.id), [made.id]);
});

test('an error carries its outcome', async () => {
  await assert.rejects(client.readResource('Patient', 'absent'), code('not-found'));
});
