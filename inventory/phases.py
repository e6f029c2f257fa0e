"""The phases of a migration, in the order of the service catalogue.

Source: the service agreement, 3.1.
"""

from typing import Literal, TypeAlias, get_args

PhaseName: TypeAlias = Literal[
    "discovery",
    "network",
    "environment",
    "applications",
    "databases",
    "files",
    "security",
    "testing",
    "cutover",
    "acceptance",
]
PHASE_NAMES: tuple[PhaseName, ...] = get_args(PhaseName)

PHASES_ZH: dict[str, str] = {
    "discovery": "原架构调研",
    "network": "网络架构及迁移",
    "environment": "系统环境配置及部署",
    "applications": "应用迁移",
    "databases": "数据库迁移",
    "files": "文件数据迁移",
    "security": "安全策略设置",
    "testing": "测试及调整",
    "cutover": "切换割接",
    "acceptance": "项目验收",
}
"""As the agreement calls them."""
