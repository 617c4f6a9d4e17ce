import { afterAll, beforeAll, expect, test } from "bun:test";
import { type AdminServer, openActor, startAdminServer } from "../support/adminServer.ts";
import { expectBadParameters, readObject } from "../support/answers.ts";

let api: AdminServer;
beforeAll(() => {
  api = startAdminServer();
  api.actors.actors.push(openActor("a", "1"), openActor("a", "2"));
});
afterAll(() => api.server.stop(0));

test("a cursor is good for the filters and the order that it was given for", async () => {
  const first = "/admin/actors?state=open&sort=name&limit=1";
  const { cursor } = await readObject(await api.get(first));
  expect((await api.get(`${first}&cursor=${cursor}`)).status).toBe(200);
  for (const other of [
    "state=open&sort=bytes",
    "state=idle",
    "",
    "state=open&customer=a",
    "state=open&content=1",
  ]) {
    await expectBadParameters(await api.get(`/admin/actors?${other}&cursor=${cursor}`), "?cursor");
  }
});
