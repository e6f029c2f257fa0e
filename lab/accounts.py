"""The database accounts of an instance, on a server that has just been started."""

from lab.access import password
from lab.plan import Estate
from lab.processes import inside

SOURCE_RIGHTS = (
    "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, EXECUTE ON shop.* TO {who}",
    "GRANT SELECT ON mysql.* TO {who}",
    "GRANT PROCESS, RELOAD, SHOW DATABASES, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO {who}",
    "GRANT READ_ONLY ADMIN, CONNECTION ADMIN ON *.* TO {who}",
)
TARGET_RIGHTS = ("GRANT ALL PRIVILEGES ON *.* TO {who} WITH GRANT OPTION",)
APPLICATION_RIGHTS = ("GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, TRIGGER, EVENT ON shop.* TO {who}",)


def create(estate: Estate, host: str) -> None:
    """Create the mover's and the application's account, without a trace in the binary log."""
    source = estate.host(host).side == "source"
    mover = password(estate, "mysql_source_password" if source else "mysql_target_password")
    application = password(estate, "mysql_app_password")
    statements = ["SET sql_log_bin = 0"]
    statements += account("migrator", mover, SOURCE_RIGHTS if source else TARGET_RIGHTS)
    statements += account("shop_app", application, APPLICATION_RIGHTS)
    inside(estate, host, ["mariadb"], given=";\n".join(statements) + ";\n")


def account(name: str, secret: str, rights: tuple[str, ...]) -> list[str]:
    """Give the statements that leave one account with exactly this password and these rights."""
    who = f"'{name}'@'%'"
    return [
        f"CREATE USER IF NOT EXISTS {who}",
        f"ALTER USER {who} IDENTIFIED BY '{secret}' ACCOUNT UNLOCK",
        *(right.format(who=who) for right in rights),
    ]
