import { expect, test } from "bun:test";
import { Semaphore } from "../src/semaphore.ts";

const patientMs = 60_000;

test("lets in so many, then whoever has waited longest", async () => {
  const semaphore = new Semaphore(2, 10);
  expect(await semaphore.acquire(0)).toBe(true);
  expect(await semaphore.acquire(0)).toBe(true);
  const order: string[] = [];
  const waiting = ["first", "second"].map(async (name) => {
    expect(await semaphore.acquire(patientMs)).toBe(true);
    order.push(name);
  });
  semaphore.release();
  await waiting[0];
  expect(order).toEqual(["first"]);
  semaphore.release();
  await waiting[1];
  expect(order).toEqual(["first", "second"]);
  // Both places are given back, none twice.
  semaphore.release();
  semaphore.release();
  expect(await Promise.all([0, 0, 0].map((ms) => semaphore.acquire(ms)))).toEqual([
    true,
    true,
    false,
  ]);
});

test("refuses at once when too many wait, and whoever waited too long gets no place", async () => {
  const semaphore = new Semaphore(1, 1);
  expect(await semaphore.acquire(0)).toBe(true);
  const late = semaphore.acquire(5);
  expect(await semaphore.acquire(patientMs)).toBe(false);
  expect(await late).toBe(false);
  // The place of the one who left is free for another one to wait, and is not lost.
  const patient = semaphore.acquire(patientMs);
  semaphore.release();
  expect(await patient).toBe(true);
  semaphore.release();
  expect(await semaphore.acquire(0)).toBe(true);
});
