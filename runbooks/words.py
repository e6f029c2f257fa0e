"""The customer's language for our terms, and how times, durations and sizes are written."""

from datetime import date, datetime

from inventory.calendar import SHANGHAI
from inventory.project import Party, Project

SHORT_PHASES = {
    "discovery": "调研",
    "network": "网络",
    "environment": "环境",
    "applications": "应用",
    "databases": "数据库",
    "files": "文件",
    "security": "安全",
    "testing": "测试",
    "cutover": "割接",
    "acceptance": "验收",
}
STATES = {
    "Rehearsed": "已预演",
    "Unchanged": "已符合",
    "Applied": "已完成",
    "Refused": "被拒绝",
    "Failed": "失败",
    "Undone": "已回退",
    "NotDone": "未执行",
}
VERDICTS = {"PASS": "通过", "FAIL": "不通过", "ERROR": "检查出错", "UNKNOWN": "未知"}
REVERSALS = {"reversible": "可逆", "compensating": "补偿", "one-way": "不可回退"}
KINDS = {"application": "应用", "database": "数据库", "file_share": "文件"}
EDITIONS = {"draft": "草稿", "submitted": "提交稿", "accepted": "已确认"}
METHODS = {"copy": "复制迁移", "follow": "复制并持续同步", "dms": "数据迁移服务", "exclude": "不迁移"}
NONE = "—"


def party(party: Party) -> str:
    return party.name_zh or party.name


def project_name(project: Project) -> str:
    return project.name_zh or project.name


def moment(time: datetime | None) -> str:
    """Shanghai time to the minute, or a dash."""
    return time.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if time else NONE


def second(time: datetime | None) -> str:
    """Shanghai time to the second, or a dash."""
    return time.astimezone(SHANGHAI).strftime("%m-%d %H:%M:%S") if time else NONE


def day(time: datetime) -> str:
    local = time.astimezone(SHANGHAI)
    return f"{local.year}年{local.month}月{local.day}日"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)}秒" if seconds > 0 else NONE
    minutes = seconds / 60
    return f"{minutes:.0f}分钟" if minutes < 90 else f"{minutes / 60:.1f}小时"


def size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def local_date(time: datetime) -> date:
    return time.astimezone(SHANGHAI).date()
