// Between interrupt.cpp and the system's half of it, where a signal is what the system tells a program that
// is to end: SIGINT, SIGTERM, SIGHUP; on Windows Ctrl-C and a closed window.
#pragma once

namespace shrike::signals {

// What the system's half calls when a signal has arrived. Takes no memory and does not lock. Returns when the
// signal waits.
void arrived(int signal);

// Sends this process a signal that has waited: arrived() is called once more.
void send(int signal);
// Ends the process as the signal would have.
void end(int signal);
// While another thread ends the process.
void wait_for_end();
// Takes no memory.
void remove_file(const char* path);

}  // namespace shrike::signals
