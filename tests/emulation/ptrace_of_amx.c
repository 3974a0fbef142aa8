/*
 * ptrace(2) as on a processor with AMX: a state of registers that is shorter than 11008 bytes is not whole. It is shortened
 * below what any processor has, so that the kernel itself refuses it.
 */
struct iovec { void *base; unsigned long length; };
extern void *dlsym(void *handle, const char *symbol);

enum { SETREGSET = 0x4205, NT_X86_XSTATE = 0x202, WHOLE = 11008, SHORT = 512 };

typedef long ptrace_function(int request, int pid, void *address, void *data);

long ptrace(int request, int pid, void *address, void *data)
{
	static ptrace_function *next;
	struct iovec *state = data;

	if (!next)
		next = (ptrace_function *) dlsym((void *) -1L, "ptrace");
	if (request == SETREGSET && (unsigned long) address == NT_X86_XSTATE && state->length < WHOLE) {
		struct iovec cut = { state->base, SHORT };
		return next(request, pid, address, &cut);
	}
	return next(request, pid, address, data);
}
