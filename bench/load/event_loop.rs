//! An event loop on epoll: many tasks that wait on sockets in one thread, with the C library and nothing else.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// `struct epoll_event`, which is packed on x86-64 alone.
#[derive(Clone, Copy, Default)]
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
struct Event {
    events: u32,
    task: u64,
}

extern "C" {
    fn epoll_create1(flags: i32) -> i32;
    fn epoll_ctl(epoll: i32, operation: i32, fd: i32, event: *mut Event) -> i32;
    fn epoll_wait(epoll: i32, events: *mut Event, most: i32, timeout_ms: i32) -> i32;
}

const EPOLL_CLOEXEC: i32 = 0o2000000;
const EPOLL_CTL_ADD: i32 = 1;
const EPOLL_CTL_DEL: i32 = 2;
const EPOLL_CTL_MOD: i32 = 3;
const EPOLLET: u32 = 1 << 31;

/// What a task waits for: EPOLLIN with EPOLLRDHUP, and EPOLLOUT.
pub const READABLE: u32 = 0x001 | 0x2000;
pub const WRITABLE: u32 = 0x004;

const EVENTS_AT_ONCE: usize = 256;
const LOOK_AT_PATIENCE_MS: i32 = 1_000;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A handle on the loop; each clone is the same loop.
#[derive(Clone)]
pub struct EventLoop(Rc<Shared>);

struct Shared {
    epoll: OwnedFd,
    /// How long a task waits for its socket; none: for ever.
    patience: Option<Duration>,
    /// The index of the task that runs now.
    running: Cell<usize>,
    started: RefCell<Vec<Task>>,
}

impl EventLoop {
    pub fn new(patience: Option<Duration>) -> Result<EventLoop> {
        // SAFETY: no pointers; what it returns is checked.
        let epoll = done(unsafe { epoll_create1(EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor was just made and has no other owner.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let (running, started) = Default::default();
        Ok(EventLoop(Rc::new(Shared {
            epoll,
            patience,
            running,
            started,
        })))
    }

    pub fn patience(&self) -> Option<Duration> {
        self.0.patience
    }

    /// The task begins with the loop's next turn.
    pub fn start(&self, task: impl Future<Output = ()> + 'static) {
        self.0.started.borrow_mut().push(Box::pin(task));
    }

    /// Runs the tasks until the last one has ended.
    pub fn run(&self) -> Result<()> {
        let mut tasks = Tasks::default();
        let mut events = [Event::default(); EVENTS_AT_ONCE];
        let timeout = self.patience().map_or(-1, |_| LOOK_AT_PATIENCE_MS);
        loop {
            for task in self.0.started.take() {
                let index = tasks.place(task);
                self.resume(&mut tasks, index);
            }
            if !self.0.started.borrow().is_empty() {
                continue;
            }
            if tasks.all_ended() {
                return Ok(());
            }
            let epoll = self.0.epoll.as_raw_fd();
            // SAFETY: the kernel writes at most EVENTS_AT_ONCE events, which is what the array holds.
            let count = unsafe { epoll_wait(epoll, events.as_mut_ptr(), EVENTS_AT_ONCE as i32, timeout) };
            match done(count) {
                // Nothing happened for a while: each looks whether it has waited for too long.
                Ok(0) => (0..tasks.places.len()).for_each(|index| self.resume(&mut tasks, index)),
                Ok(count) => {
                    for event in &events[..count as usize] {
                        self.resume(&mut tasks, event.task as usize);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn resume(&self, tasks: &mut Tasks, index: usize) {
        self.0.running.set(index);
        // An event may outlive its task: the place is empty by then, or another's, who looks and waits on.
        if let Some(task) = &mut tasks.places[index] {
            if poll(task.as_mut()).is_ready() {
                tasks.places[index] = None;
                tasks.empty.push(index);
            }
        }
    }

    /// Resumes the running task whenever the socket becomes ready, and once if it is already. `watched` is what it has
    /// been watched for until now.
    pub fn watch(&self, socket: &impl AsRawFd, watched: u32, interest: u32) -> Result<()> {
        let operation = if watched == 0 {
            EPOLL_CTL_ADD
        } else {
            EPOLL_CTL_MOD
        };
        self.control(operation, socket, interest)
    }

    pub fn forget(&self, socket: &impl AsRawFd) -> Result<()> {
        self.control(EPOLL_CTL_DEL, socket, 0)
    }

    fn control(&self, operation: i32, socket: &impl AsRawFd, interest: u32) -> Result<()> {
        let (epoll, socket) = (self.0.epoll.as_raw_fd(), socket.as_raw_fd());
        let mut event = Event {
            events: interest | EPOLLET,
            task: self.0.running.get() as u64,
        };
        // SAFETY: both descriptors are open, for their owners live, and the kernel copies the event.
        let result = unsafe { epoll_ctl(epoll, operation, socket, &mut event) };
        done(result).map(drop)
    }
}

#[derive(Default)]
struct Tasks {
    places: Vec<Option<Task>>,
    empty: Vec<usize>,
}

impl Tasks {
    fn place(&mut self, task: Task) -> usize {
        if let Some(index) = self.empty.pop() {
            self.places[index] = Some(task);
            return index;
        }
        self.places.push(Some(task));
        self.places.len() - 1
    }

    fn all_ended(&self) -> bool {
        self.places.len() == self.empty.len()
    }
}

/// Gives the loop its turn. The task is resumed when a socket of its own is ready, or for nothing.
#[derive(Default)]
pub struct Pause {
    paused: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.paused {
            return Poll::Ready(());
        }
        self.paused = true;
        Poll::Pending
    }
}

/// Runs what waits in its system calls and never pauses.
pub fn run_blocking<T>(work: impl Future<Output = T>) -> T {
    match poll(Box::pin(work).as_mut()) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a blocking socket waits in its system calls"),
    }
}

fn poll<T>(work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    thread_local!(static NOBODY: Waker = Waker::from(Arc::new(Nobody)));
    NOBODY.with(|waker| work.poll(&mut Context::from_waker(waker)))
}

/// The loop resumes its tasks by the kernel's events; nobody calls.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// What a call of the C library returned, or why it failed.
pub fn done(result: i32) -> Result<i32> {
    if result < 0 {
        return Err(Error::last_os_error());
    }
    Ok(result)
}
