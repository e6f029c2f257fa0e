"""The phases by name, in the order of the service catalogue."""

PHASES_ZH = {
    "discovery": "原架构调研",
    "network": "网络架构及迁移",
    "environment": "系统环境配置",
    "applications": "应用迁移",
    "databases": "数据库迁移",
    "files": "文件数据迁移",
    "security": "安全策略设置",
    "testing": "测试及调整",
    "cutover": "切换割接",
    "acceptance": "项目验收",
}
"""In English for keys and flows, in Chinese as the agreement calls them (3.1)."""

PHASE_NAMES = tuple(PHASES_ZH)
