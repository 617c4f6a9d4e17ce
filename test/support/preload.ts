/** Loaded before the tests: what they started ends with them. */
import { afterAll } from "bun:test";
import { spareLoopback } from "../../src/cli/loopback.ts";
import { stopServers } from "./servers.ts";

spareLoopback(process.env);
afterAll(stopServers);
