<?php
require __DIR__ . '/lib.php';
page('云上小店', '<p>欢迎光临 🛒 Welcome. <a href="/products.php">看看商品</a></p>');
