/*
 * ptrace(2) for user-mode Linux on processors with more registers than it knows (see registers.py).
 *
 * UML up to 6.12 keeps the floating-point registers of its processes in 2696 bytes, enough for AVX-512, and writes them
 * back with PTRACE_SETREGSET. The host's kernel takes only a state that is whole (xstateregs_set() in
 * arch/x86/kernel/fpu/regset.c), which is 11008 bytes where there is AMX: it answers EFAULT, and the machine dies with its
 * first process. So the state is handed on with zeros behind it. What is longer than whole, the kernel cuts; zeros are
 * right for what was cut off when it was read, since XSTATE_BV in the header marks those registers as unused: a process may
 * use AMX only after asking for it (arch_prctl(2), ARCH_REQ_XCOMP_PERM), and UML's kernel refuses that.
 *
 * Built without headers, so that no package of them is needed.
 */
struct iovec { void *base; unsigned long length; };
extern void *dlsym(void *handle, const char *symbol);
extern void *memcpy(void *target, const void *source, unsigned long length);

enum { SETREGSET = 0x4205, NT_X86_XSTATE = 0x202 };
#define RTLD_NEXT ((void *) -1L)

typedef long ptrace_function(int request, int pid, void *address, void *data);

/*
 * Several times the largest state there is. Not on the stack, of which UML has 16 KiB. UML has one processor and does not
 * preempt itself, so that nothing else writes here between the copy and the call; behind a state that was copied all stays 0,
 * since all states have one length.
 */
static char whole[64 << 10];

long ptrace(int request, int pid, void *address, void *data)
{
	static ptrace_function *next;
	struct iovec *state = data;
	struct iovec extended = { whole, sizeof whole };

	if (!next)
		next = (ptrace_function *) dlsym(RTLD_NEXT, "ptrace");
	if (request != SETREGSET || (unsigned long) address != NT_X86_XSTATE || state->length > sizeof whole)
		return next(request, pid, address, data);
	memcpy(whole, state->base, state->length);
	return next(request, pid, address, &extended);
}
