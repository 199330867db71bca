"""The computer: devices, memory, threads, faults, clocks and random numbers."""
