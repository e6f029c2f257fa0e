"""sources.yaml: what the customer has."""

from typing import Literal

from pydantic import Field, IPvAnyNetwork

from inventory.base import (
    AbsolutePath,
    Address,
    Name,
    Noun,
    SecretRef,
    SiteName,
    SqlAccount,
    SystemAccount,
    Words,
)


class Ssh(Noun):
    """How to reach a host's shell."""

    address: Address = Field(description="IP address or name")
    port: int = Field(default=22, ge=1, le=65535)
    user: SystemAccount = "root"
    key: SecretRef = Field(description="Private key")
    known_hosts: Words = Field(description="Path of a known_hosts file, relative to the project folder")


class Host(Noun):
    name: Name
    ssh: Ssh
    description: str = ""


class SourceNetwork(Noun):
    name: Name
    cidr: IPvAnyNetwork


class Substitution(Noun):
    """A text replaced in one of the moved files, such as the database's address."""

    file: str = Field(description="Absolute path, inside the application's content")
    find: str = Field(min_length=1)
    replace: str


class Application(Noun):
    """A business system as software on a host: which files make it up and how it answers."""

    name: Name
    name_zh: str = ""
    host: Name
    software: Literal["nginx", "tomcat", "iis", "commercial"]
    content: tuple[str, ...] = Field(
        description="Absolute paths of folders and files that belong to it", min_length=1
    )
    site: SiteName = Field(default="", description="nginx: name of its file in sites-available")
    php_fpm: bool = Field(default=False, description="nginx: served through PHP-FPM")
    port: int = Field(ge=1, le=65535)
    health: AbsolutePath = Field(default="/", description="Path that answers 200 when the application works")
    owner: SystemAccount = Field(
        default="www-data", description="Account that owns the content on the target"
    )
    substitutions: tuple[Substitution, ...] = ()
    uses_databases: tuple[Name, ...] = ()
    licence: str = Field(default="", description="commercial: reference of the licence party A supplies")


class Database(Noun):
    name: Name
    engine: Literal["mariadb", "mysql", "oracle", "sqlserver", "mongodb", "postgresql"]
    address: Address
    port: int = Field(default=3306, ge=1, le=65535)
    schema_name: Words = Field(alias="schema", description="Schema (database) on that server")
    user: Words
    password: SecretRef
    accounts: tuple[SqlAccount, ...] = Field(
        default=(), description="Accounts ('name'@'host' as name@host, a role as name@) that move with it"
    )
    leave_out: tuple[Words, ...] = Field(
        default=(),
        description="What stays behind on purpose, by kind and name: 'table invoices_2009'",
    )


class FileShare(Noun):
    name: Name
    host: Name
    path: AbsolutePath


class Sources(Noun):
    networks: tuple[SourceNetwork, ...] = ()
    hosts: tuple[Host, ...] = ()
    applications: tuple[Application, ...] = ()
    databases: tuple[Database, ...] = ()
    file_shares: tuple[FileShare, ...] = ()
