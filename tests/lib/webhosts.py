"""webhosts - the web servers a test stack can stand behind.

Each is the file an operator copies from examples/, with paths and ports put in, included by a
smallest main configuration.  What is replaced must occur in the example: it cannot grow stale.
"""

import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What the examples say, an operator's paths.
PROGRAM = "/usr/sbin/fcgi-order"
CONFIG = "/etc/orderbell/fcgi-order.conf"
SOCKET = "/run/orderbell/fcgi-order.sock"
NOTIFIER_PORT = "8790"

APACHE_MODULES = "/usr/lib/apache2/modules"


class Site:
    """What a host's configuration needs to know.  run, log: directories.  files: most open files
    a process may have.  tls: a file with certificate and key, or None."""

    def __init__(self, port, run, log, notifier_ports, fcgi_argv, fcgi_socket, files, tls=None):
        self.port = port
        self.run = run
        self.log = log
        self.notifier_ports = notifier_ports
        self.fcgi_argv = fcgi_argv
        self.fcgi_socket = fcgi_socket
        self.files = files
        self.tls = tls

    def example(self, name, replacements):
        with open(os.path.join(TOP, "examples", name), encoding="utf-8") as f:
            text = f.read()
        for old, new in replacements.items():
            if old not in text:
                raise RuntimeError(f"examples/{name} does not say \"{old}\"")
            text = text.replace(old, new)
        return text

    def per_notifier(self, text):
        """The line that names the notifier's port, once per notifier."""
        line = re.search(rf"^.*\b{NOTIFIER_PORT}\b.*\n", text, re.M).group()
        return text.replace(
            line, "".join(line.replace(NOTIFIER_PORT, str(p)) for p in self.notifier_ports))

    def write(self, name, text):
        path = os.path.join(self.run, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


def lighttpd(site):
    text = site.example("lighttpd.conf", {
        f"{PROGRAM} --config {CONFIG}": " ".join(site.fcgi_argv),
        "/run/lighttpd/fcgi-order.sock": site.fcgi_socket,
    })
    site.write("orderbell.conf", site.per_notifier(text))
    main = site.write("lighttpd.conf", f"""\
server.document-root = "{site.run}/www"
server.bind = "127.0.0.1"
server.port = {site.port}
server.errorlog = "{site.log}/web.log"
server.breakagelog = "{site.log}/fcgi-order.log"
server.max-fds = {site.files}
server.max-connections = {site.files // 3}
include "orderbell.conf"
""" + (f"""server.modules += ( "mod_openssl" )
ssl.engine = "enable"
ssl.pemfile = "{site.tls}"
""" if site.tls else ""))
    return ["/usr/sbin/lighttpd", "-D", "-f", main]


def apache_main(site, modules, includes):
    if site.tls:
        modules = modules + ["ssl", "http2"]
    loads = "".join(
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n" for name in modules)
    main = site.write("apache.conf", loads + f"""\
ServerRoot "{site.run}"
ServerName 127.0.0.1
Listen 127.0.0.1:{site.port}
PidFile "{site.run}/apache.pid"
DefaultRuntimeDir "{site.run}"
Mutex default:{site.run}
DocumentRoot "{site.run}/www"
ErrorLog "{site.log}/web.log"
LogLevel warn
ServerLimit 4
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 512
""" + (f"""SSLEngine on
SSLCertificateFile "{site.tls}"
SSLCertificateKeyFile "{site.tls}"
Protocols h2 http/1.1
H2WebSockets on
""" if site.tls else "") + "".join(f'Include "{path}"\n' for path in includes))
    return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", main]


APACHE_COMMON = ["mpm_event", "authz_core", "alias", "slotmem_shm", "proxy", "proxy_http",
                 "proxy_balancer", "lbmethod_byrequests", "filter", "deflate"]


def apache_terminals(site):
    return site.write("orderbell.conf", site.per_notifier(site.example("apache.conf", {})))


def apache(site):
    fcgi = site.write("orderbell-fcgi.conf", site.example("apache-fcgi.conf", {
        f"ProxyPass \"/notify/\" \"unix:{SOCKET}": f"ProxyPass \"/notify/\" \"unix:{site.fcgi_socket}",
        f"ProxyPass \"/user/\" \"unix:{SOCKET}": f"ProxyPass \"/user/\" \"unix:{site.fcgi_socket}",
    }))
    return apache_main(site, APACHE_COMMON + ["proxy_fcgi"], [fcgi, apache_terminals(site)])


def apache_fcgid(site):
    fcgid = site.write("orderbell-fcgid.conf", site.example("apache-fcgid.conf", {
        f"{PROGRAM} --config {CONFIG}": " ".join(site.fcgi_argv),
    }) + f"""
FcgidIPCDir "{site.run}"
FcgidProcessTableFile "{site.run}/fcgid_shm"
""")
    return apache_main(site, APACHE_COMMON + ["fcgid"], [fcgid, apache_terminals(site)])


def nginx(site):
    listen = {"listen 80;": f"listen 127.0.0.1:{site.port} backlog=4096;"}
    if site.tls:
        listen = {
            "listen 80;\n": "\n",
            "#listen 443 ssl http2;": f"listen 127.0.0.1:{site.port} ssl http2 backlog=4096;",
            "#ssl_certificate /etc/ssl/shop.pem": f"ssl_certificate {site.tls}",
            "#ssl_certificate_key /etc/ssl/private/shop.key": f"ssl_certificate_key {site.tls}",
        }
    text = site.example("nginx.conf", {**listen, f"unix:{SOCKET}": f"unix:{site.fcgi_socket}"})
    site.write("orderbell.conf", site.per_notifier(text))
    temp = "".join(f"\t{kind}_temp_path {site.run}/{kind};\n" for kind in
                   ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = site.write("nginx.conf", f"""\
daemon off;
worker_processes 2;
worker_rlimit_nofile {site.files};
pid {site.run}/nginx.pid;
error_log {site.log}/web.log;
events {{
	worker_connections {site.files};
}}
http {{
	access_log off;
{temp}	include {site.run}/orderbell.conf;
}}
""")
    return ["/usr/sbin/nginx", "-e", f"{site.log}/web.log", "-c", main]


def haproxy(site):
    bind = {"bind :80": f"bind 127.0.0.1:{site.port} backlog 4096"}
    if site.tls:
        bind = {"bind :80\n": "\n",
                "#bind :443 ssl crt /etc/haproxy/shop.pem":
                f"bind 127.0.0.1:{site.port} backlog 4096 ssl crt {site.tls}"}
    text = site.example("haproxy.cfg", {**bind, SOCKET: site.fcgi_socket})
    main = site.write("haproxy.cfg", f"""\
global
	maxconn {site.files // 3}
	log stderr format raw local0 notice
""" + site.per_notifier(text))
    return ["/usr/sbin/haproxy", "-db", "-f", main]


# name: (configuration, does the web server run fcgi-order itself)
HOSTS = {
    "lighttpd": (lighttpd, True),
    "apache": (apache, False),
    "apache-fcgid": (apache_fcgid, True),
    "nginx": (nginx, False),
    "haproxy": (haproxy, False),
}
