//! The network: none but `lo`, and out of it only where the plan has a port.

use super::*;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

#[test]
fn what_listens_on_the_machine_is_not_reached() {
    let (folder, listener) = (Folder::new(), TcpListener::bind("127.0.0.1:0").expect("listen"));
    let port = listener.local_addr().expect("address").port();
    let program = format!(
        "for h in ['127.0.0.1','localhost','0','127.1','10.0.0.1','169.254.169.254','::1','::ffff:127.0.0.1']:\n  \
         try:\n    socket.create_connection((h,{port}),2); print('LOOSE',h)\n  except OSError as e: print(h, e)"
    );
    contained(&python(&folder, &program), &[Layer::Network], &[]);
}

#[test]
fn abstract_sockets_of_the_machine_are_not_reached() {
    let folder = Folder::new();
    let name = format!("sandbox-canary-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("name");
    let _listener = UnixListener::bind_addr(&address).expect("listen");
    let program = format!(
        "s=socket.socket(socket.AF_UNIX)\ntry: s.connect('\\0{name}'); print('LOOSE')\nexcept OSError as e: print(e)"
    );
    contained(&python(&folder, &program), &[Layer::Network, Layer::Landlock], &[]);
}

#[test]
fn raw_and_foreign_sockets_cannot_be_had() {
    let folder = Folder::new();
    let program = "for a in [(2,3,1),(17,3,3),(16,3,0),(40,1,0),(38,5,0),(10,3,58),(1,1,0),(2,1,0)]:\n  \
        try: socket.socket(*a); print(a, 'LOOSE' if a[0] not in (1,2) else 'had')\n  \
        except OSError as e: print(a, 'none')";
    contained(&python(&folder, program), &[Layer::Seccomp], &[]);
    let said = run(&python(&folder, program));
    assert!(said.out.ends_with("(1, 1, 0) had\n(2, 1, 0) had\n"), "{said:?}");
}

#[test]
fn names_are_not_looked_up() {
    if !able(&[Layer::Mounts, Layer::Network]) {
        return;
    }
    let folder = Folder::new();
    let program = "try: print('LOOSE', socket.getaddrinfo('canary.test',80))\nexcept OSError as e: print('none')\n\
                   print(socket.getaddrinfo('localhost',80,type=1)[0][4][1])";
    assert_eq!(run(&python(&folder, program)).out, "none\n80\n");
}

#[test]
fn a_port_of_the_plan_leads_to_the_caller() {
    if !able(&[Layer::Network]) {
        return;
    }
    let folder = Folder::new();
    let program = "for p in (3128, 3129):\n  s=socket.create_connection(('127.0.0.1',p)); print(s.recv(9).decode())";
    let mut plan = python(&folder, program);
    plan.listen = vec![3128, 3129];
    let mut running = driver().start(&plan, None).expect("start");
    for (listener, word) in std::mem::take(&mut running.listeners).into_iter().zip(["one", "two"]) {
        let (mut stream, _) = listener.accept().expect("accept");
        stream.write_all(word.as_bytes()).expect("write");
    }
    assert_eq!(finish(running).out, "one\ntwo\n");
}
