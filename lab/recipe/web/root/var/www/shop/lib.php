<?php
// Connection and page frame shared by every page of the shop.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function shop_config(): array
{
    return parse_ini_file('/etc/shop/shop.ini', false, INI_SCANNER_RAW);
}

function shop_db(): mysqli
{
    $config = shop_config();
    $db = mysqli_init();
    $db->options(MYSQLI_OPT_CONNECT_TIMEOUT, 5);
    $db->real_connect($config['db_host'], $config['db_user'], $config['db_password'], $config['db_name'], (int) $config['db_port']);
    $db->set_charset('utf8mb4');
    return $db;
}

function page(string $title, string $body): void
{
    header('Content-Type: text/html; charset=utf-8');
    $title = htmlspecialchars($title);
    echo "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>$title</title>",
        '<link rel="stylesheet" href="/assets/css/shop.css"></head><body>',
        '<nav><img src="/assets/img/logo.svg" alt="" width="32"> <a href="/">首页</a> ',
        '<a href="/products.php">商品</a> <a href="/about.html">关于</a></nav>',
        "<h1>$title</h1>$body<script src=\"/assets/js/shop.js\"></script></body></html>\n";
}
