/** Loaded before the tests: what they started ends with them. */
import { afterAll } from "bun:test";
import { stopServers } from "./servers.ts";

afterAll(stopServers);
