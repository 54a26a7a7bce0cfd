// What an unmodified client of the Statuspage API, version 2, reads from the status listener.
//
// Started by tests/sdk/run.py after it wrote an incident and two maintenances; the
// environment variable TOUR says where the page is. One line a step; status 1 if a step failed.

import assert from "node:assert/strict";

import { Statuspage } from "statuspage.io";

const stand = JSON.parse(process.env.TOUR);
const client = new Statuspage("surgewall");
client.setApiUrl(stand.status);
const steps = [];
const step = (name, run) => steps.push([name, run]);

// The fields and words of the API's documentation, as far as the client declares them.
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const text = (value) => typeof value === "string";
const instant = (value) => INSTANT.test(value);
const orNull = (kind) => (value) => value === null || kind(value);
const oneOf = (...words) => (value) => words.includes(value);
const flag = (value) => typeof value === "boolean";
const PAGE = { id: text, name: text, time_zone: text, updated_at: instant, url: text };
const COMPONENT = {
  created_at: instant, description: orNull(text), group: flag, group_id: orNull(text), id: text, name: text,
  only_show_if_degraded: flag, page_id: text, position: Number.isInteger, showcase: flag, start_date: orNull(text),
  status: oneOf("operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"),
  updated_at: instant,
};
const stages = oneOf("investigating", "identified", "monitoring", "resolved", "postmortem");
const progress = oneOf("scheduled", "in_progress", "verifying", "completed");
const UPDATE = { body: text, created_at: instant, display_at: instant, id: text, incident_id: text, updated_at: instant };
const INCIDENT = {
  created_at: instant, id: text, incident_updates: Array.isArray, monitoring_at: orNull(instant), name: text,
  page_id: text, resolved_at: orNull(instant), shortlink: text, updated_at: instant,
};

function fits(value, fields) {
  for (const [name, holds] of Object.entries(fields)) assert.ok(holds(value[name]), `${name}: ${JSON.stringify(value[name])}`);
}

function incident(value, page) {
  fits(value, { ...INCIDENT, impact: oneOf("none", "minor", "major", "critical"), status: stages });
  for (const update of value.incident_updates) fits(update, { ...UPDATE, status: stages });
  assert.equal(value.page_id, page.id);
}

function maintenance(value) {
  fits(value, { ...INCIDENT, impact: oneOf("maintenance"), status: progress, scheduled_for: instant, scheduled_until: instant });
  for (const update of value.incident_updates) fits(update, { ...UPDATE, status: progress });
}

step("statuspage summary", async () => {
  const summary = await client.api.getSummary();
  fits(summary.page, PAGE);
  fits(summary.status, { description: text, indicator: oneOf("minor", "major", "critical") });
  assert.deepEqual(summary.components.map((one) => one.name).slice(0, 1), ["API"]);
  for (const one of summary.components) fits(one, COMPONENT);
  assert.deepEqual(summary.incidents.map((one) => one.name), ["Codes are late"]);
  summary.incidents.forEach((one) => incident(one, summary.page));
  assert.equal(summary.scheduled_maintenances.length, 2);
  summary.scheduled_maintenances.forEach(maintenance);
});

step("statuspage status and components", async () => {
  const { page, status } = await client.api.getStatus();
  fits(page, PAGE);
  assert.notEqual(status.indicator, "none");
  const { components } = await client.api.getComponents();
  assert.ok(components.length > 0);
  for (const one of components) assert.equal(one.page_id, page.id);
});

step("statuspage incidents", async () => {
  const all = await client.api.incidents.getAll();
  all.incidents.forEach((one) => incident(one, all.page));
  assert.deepEqual(all.incidents.map((one) => one.status).sort(), ["investigating", "resolved"]);
  const open = await client.api.incidents.getUnresolved();
  assert.deepEqual(open.incidents.map((one) => one.name), ["Codes are late"]);
  assert.equal(open.incidents[0].incident_updates[0].body, "E-mails take minutes to arrive.");
  const over = all.incidents.find((one) => one.status === "resolved");
  assert.ok(Date.parse(over.resolved_at) >= Date.parse(over.created_at));
});

step("statuspage maintenances", async () => {
  const coming = await client.api.scheduledMaintenances.getUpcoming();
  assert.deepEqual(coming.scheduled_maintenances.map((one) => one.status), ["scheduled"]);
  assert.ok(Date.parse(coming.scheduled_maintenances[0].scheduled_for) > Date.now());
  // This version of the client asks for the upcoming ones under every name: the others by hand.
  const read = async (name) => (await fetch(`${stand.status}/api/v2/scheduled-maintenances${name}.json`)).json();
  const words = async (name) => (await read(name)).scheduled_maintenances.map((one) => one.status).sort();
  assert.deepEqual(await words(""), ["in_progress", "scheduled"]);
  assert.deepEqual(await words("/active"), ["in_progress"]);
  for (const one of (await read("")).scheduled_maintenances) maintenance(one);
});

let failed = 0;
for (const [name, run] of steps) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n${String(error.stack ?? error).slice(0, 1500)}`);
  }
}
console.log(`statuspage tour: ${steps.length} steps, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
