"""Every kind of software: one line each, whether it is carried out or refused by name."""

from tasks.software.nginx import NGINX
from tasks.software.php_fpm import PHP_FPM
from tasks.software.software import Software
from tasks.software.tomcat import TOMCAT

SOFTWARE: dict[str, Software] = {software.name: software for software in (NGINX, PHP_FPM, TOMCAT)}

NOT_YET: dict[str, str] = {
    "iis": "IIS runs on Windows, and this version speaks to hosts by SSH with Debian's tools only.",
    "commercial": "Commercial software needs its own installer and the licence the customer supplies.",
}
"""Why a kind of software is not carried out; such an application is refused, never left out in silence."""
