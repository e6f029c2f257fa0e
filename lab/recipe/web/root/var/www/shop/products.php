<?php
require __DIR__ . '/lib.php';
$rows = shop_db()->query(
    'SELECT p.id, p.name, p.price, c.name AS category FROM products p JOIN categories c ON c.id = p.category_id ORDER BY p.id LIMIT 20'
);
$list = '';
foreach ($rows as $row) {
    $list .= '<tr><td>' . implode('</td><td>', array_map(fn ($v) => htmlspecialchars((string) $v), $row)) . '</td></tr>';
}
page('商品', "<table>$list</table>");
