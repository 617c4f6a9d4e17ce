/** A thread whose program cannot be loaded. */
throw new Error("a module is missing");
