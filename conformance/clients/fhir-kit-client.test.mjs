// fhir-kit-client against a gateway: create to history, search and its pages,
// conditional writes, patch, batch and transaction, compartments, operations.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { nhsNumber, startGateway } from './gateway.mjs';

let gateway, client, other, importer;

before(async () => {
  gateway = await startGateway();
  const connect = async (...who) => {
    const c = new Client({ baseUrl: `${gateway.url}/fhir` });
    c.bearerToken = (await gateway.client(...who)).token;
    return c;
  };
  client = await connect('practice', 'gp-practice', 'Y99001');
  other = await connect('elsewhere', 'gp-practice', 'Y99002');
  importer = await connect('loader', 'importer');
});
after(() => gateway?.stop());

const system = 'https://fhir.nhs.uk/Id/nhs-number';
const patient = (n, family = 'Clientkit') => ({
  resourceType: 'Patient', identifier: [{ system, value: nhsNumber(n) }], name: [{ family, given: ['Test'] }], gender: 'female', birthDate: '1956-03-04',
});
const status = (wanted) => (e) => (e.response?.status ?? e.status) === wanted;
const resources = (bundle) => (bundle.entry ?? []).map((e) => e.resource);

test('capability statement and SMART configuration', async () => {
  const meta = await client.capabilityStatement();
  assert.equal(meta.resourceType, 'CapabilityStatement');
  assert.equal(meta.fhirVersion, '4.0.1');
  const smart = await client.smartAuthMetadata();
  assert.equal(String(smart.tokenUrl), `${gateway.url}/oauth2/token`);
});

test('create, read, vread, update, history, stale If-Match', async () => {
  const made = await client.create({ resourceType: 'Patient', body: patient(1) });
  assert.ok(made.id);
  const read = await client.read({ resourceType: 'Patient', id: made.id });
  assert.deepEqual(read, made);
  const changed = await client.update({ resourceType: 'Patient', id: made.id, body: { ...read, gender: 'male' } });
  assert.equal(changed.meta.versionId, '2');
  const first = await client.vread({ resourceType: 'Patient', id: made.id, version: '1' });
  assert.equal(first.gender, 'female');
  const history = await client.history({ resourceType: 'Patient', id: made.id });
  assert.deepEqual(history.entry.map((e) => e.request.method), ['PUT', 'POST']);
  await assert.rejects(client.update({ resourceType: 'Patient', id: made.id, body: read, options: { headers: { 'If-Match': 'W/"1"' } } }), status(412));
});

test('search by GET and POST finds its own write at once', async () => {
  const made = await client.create({ resourceType: 'Patient', body: patient(2, 'Ownwrite') });
  const value = made.identifier[0].value;
  for (const options of [{}, { postSearch: true }]) {
    const found = await client.search({ resourceType: 'Patient', searchParams: { identifier: `${system}|${value}` }, options });
    assert.deepEqual(resources(found).map((r) => r.id), [made.id]);
  }
  const hidden = await other.search({ resourceType: 'Patient', searchParams: { identifier: `${system}|${value}` } });
  assert.equal(hidden.entry?.length ?? 0, 0, 'another practice sees nothing');
  await assert.rejects(client.search({ resourceType: 'Patient', searchParams: { 'shoe-size': '44' } }), status(400));
});

test('pages neither repeat nor skip while others write', async () => {
  const ids = [];
  for (let n = 100; n < 112; n++) ids.push((await client.create({ resourceType: 'Patient', body: patient(n, 'Paging') })).id);
  const seen = [];
  let page = await client.search({ resourceType: 'Patient', searchParams: { family: 'Paging', _count: 5, _sort: 'birthdate,_id' } });
  for (let n = 200; page; n++) {
    seen.push(...resources(page).map((r) => r.id));
    await client.create({ resourceType: 'Patient', body: patient(n, 'Paging') });
    page = page.link.some((l) => l.relation === 'next') ? await client.nextPage({ bundle: page }) : undefined;
  }
  assert.deepEqual(seen.toSorted(), ids.toSorted());
});

test('chains, reverse chains, includes', async () => {
  const p = await client.create({ resourceType: 'Patient', body: patient(3, 'Chained') });
  const condition = await client.create({ resourceType: 'Condition', body: {
    resourceType: 'Condition', subject: { reference: `Patient/${p.id}` }, code: { coding: [{ system: 'http://snomed.info/sct', code: '423315002', display: 'Limited social contact' }] },
    clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] } } });
  const chained = await client.search({ resourceType: 'Condition', searchParams: { 'patient.family': 'Chained' } });
  assert.deepEqual(resources(chained).map((r) => r.id), [condition.id]);
  const reverse = await client.search({ resourceType: 'Patient', searchParams: { '_has:Condition:patient:code': '423315002' } });
  assert.deepEqual(resources(reverse).map((r) => r.id), [p.id]);
  const include = await client.search({ resourceType: 'Condition', searchParams: { _id: condition.id, _include: 'Condition:patient' } });
  assert.deepEqual(include.entry.map((e) => [e.search.mode, e.resource.id]), [['match', condition.id], ['include', p.id]]);
  const back = await client.search({ resourceType: 'Patient', searchParams: { _id: p.id, _revinclude: 'Condition:patient' } });
  assert.deepEqual(resources(back).map((r) => r.resourceType).toSorted(), ['Condition', 'Patient']);
  const within = await client.compartmentSearch({ resourceType: 'Condition', compartment: { resourceType: 'Patient', id: p.id } });
  assert.deepEqual(resources(within).map((r) => r.id), [condition.id]);
  const everything = await client.operation({ name: 'everything', resourceType: 'Patient', id: p.id, method: 'get' });
  assert.deepEqual(resources(everything).map((r) => r.resourceType).toSorted(), ['Condition', 'Patient']);
});

test('conditional create makes one resource of eight at once', async () => {
  const body = patient(4, 'Conditional');
  const options = { headers: { 'If-None-Exist': `identifier=${system}|${body.identifier[0].value}` } };
  const made = await Promise.all(Array.from({ length: 8 }, () => client.create({ resourceType: 'Patient', body, options })));
  assert.equal(new Set(made.map((r) => r.id)).size, 1);
});

test('JSON patch', async () => {
  const made = await client.create({ resourceType: 'Patient', body: patient(5) });
  const patched = await client.patch({ resourceType: 'Patient', id: made.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }] });
  assert.equal(patched.gender, 'other');
  await assert.rejects(client.patch({ resourceType: 'Patient', id: made.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'no such code' }] }), status(422));
});

test('transaction resolves urn:uuid; batch answers each entry', async () => {
  const urn = 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a';
  const answer = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: [
    { fullUrl: urn, resource: patient(6, 'Transacted'), request: { method: 'POST', url: 'Patient' } },
    { resource: { resourceType: 'RelatedPerson', patient: { reference: urn }, name: [{ family: 'Neighbour' }] }, request: { method: 'POST', url: 'RelatedPerson' } },
  ] } });
  assert.deepEqual(answer.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201']);
  const [p, related] = answer.entry.map((e) => e.response.location.split('/fhir/').pop().split('/_history')[0]);
  const stored = await client.read({ resourceType: 'RelatedPerson', id: related.split('/')[1] });
  assert.equal(stored.patient.reference, p);
  const batch = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [
    { request: { method: 'GET', url: p } }, { request: { method: 'GET', url: 'Patient/does-not-exist' } },
  ] } });
  assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404']);
});

test('deleting what others refer to is a conflict', async () => {
  const p = await importer.create({ resourceType: 'Patient', body: patient(7, 'Referred') });
  const c = await importer.create({ resourceType: 'Condition', body: { resourceType: 'Condition', subject: { reference: `Patient/${p.id}` } } });
  await assert.rejects(importer.delete({ resourceType: 'Patient', id: p.id }), status(409));
  await importer.delete({ resourceType: 'Condition', id: c.id });
  await importer.delete({ resourceType: 'Patient', id: p.id });
  await assert.rejects(importer.read({ resourceType: 'Patient', id: p.id }), status(410));
});
