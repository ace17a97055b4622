//! The synthetic `/etc` of a sandbox: who there is, how names are found, and what programs of the base need of the
//! machine's own. Nothing else of the machine's `/etc` is seen.

use std::io;
use std::path::Path;

/// Of the machine's `/etc`, because what is in `/usr` points there. None of these holds a secret.
pub const SHARED: [&str; 8] = [
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "mime.types",
    "pki/ca-trust/extracted",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// The user inside.
pub const USER: u32 = 1000;

const FILES: [(&str, &str); 9] = [
    (
        "passwd",
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/workspace:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    ),
    ("group", "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("hostname", "sandbox\n"),
    ("resolv.conf", "# There is no resolver: names are looked up by the proxy.\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"),
    ("services", "http 80/tcp\nhttps 443/tcp\nssh 22/tcp\ndomain 53/tcp\ndomain 53/udp\n"),
    ("protocols", "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\n"),
    ("shells", "/bin/sh\n/bin/bash\n"),
];

/// Writes the files below `folder`.
pub fn write(folder: &Path) -> io::Result<()> {
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text)?;
    }
    std::os::unix::fs::symlink("/usr/share/zoneinfo/UTC", folder.join("localtime"))?;
    std::os::unix::fs::symlink("/proc/self/mounts", folder.join("mtab"))
}
