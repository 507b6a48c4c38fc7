//! System calls that the kernel refuses to this process, as it does where a disk fails: a seccomp filter. It stays for the
//! rest of the process and is inherited, so use it in a child.

/// A system call to refuse, by its number; with an argument, where that has the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) call: libc::c_long,
    /// Which argument, and its value.
    pub(crate) argument: Option<(u32, u32)>,
    pub(crate) errno: i32,
}

/// Refuses the call to this thread and all that it begins.
pub(crate) fn refuse(refused: Refused) -> std::io::Result<()> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let allow = step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW);
    let deny = step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | refused.errno as u32);
    let mut program = vec![step(LOAD, 0, 0, 0), step(JUMP, 1, 0, refused.call as u32), allow];
    if let Some((number, value)) = refused.argument {
        // The arguments lie behind the number, the architecture and the instruction pointer; the lower half comes first.
        program.extend([step(LOAD, 0, 0, 16 + 8 * number), step(JUMP, 1, 0, value), allow]);
    }
    program.push(deny);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: plain system calls; the kernel reads the filter, which lives until they are done.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
